/** A colour bar with the true smallest and largest value. */
import { type MapName, gradient } from "../../kit/colours";
import type { Range } from "../../kit/compose";
import { h, setText } from "./dom";

export class Bar {
  readonly root = h("div", { class: "mv-bar" });
  private readonly least = h("span", {});
  private readonly most = h("span", {});
  private readonly ramp = h("div", { class: "mv-ramp", role: "img" });
  private map: MapName | null = null;
  private empty = true;

  constructor(
    private readonly meaning: string,
    private readonly write: (value: number) => string,
  ) {
    this.root.append(this.least, this.ramp, this.most);
  }

  show(range: Range | null, map: MapName): void {
    this.empty = !range;
    this.root.classList.toggle("is-empty", this.empty);
    setText(this.least, range ? this.write(range.min) : "");
    setText(this.most, range ? this.write(range.max) : "");
    if (map === this.map) return;
    this.map = map;
    this.ramp.style.background = gradient(map);
    this.ramp.setAttribute("aria-label", `colour map ${map} ${this.meaning}`);
  }

  /** What is to be read off it; null while it is empty. */
  get shown(): { least: string; most: string; map: MapName } | null {
    return this.empty || !this.map ? null : { least: this.least.textContent ?? "", most: this.most.textContent ?? "", map: this.map };
  }
}
