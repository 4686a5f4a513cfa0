/** Everything a button or a key of the painter can do, listed once: word, icon, shortcut and explanation. */
import { fill, grow, invert, shrink } from "../../kit/mask";
import type { MaskSession } from "../../kit/session";
import type { Action } from "./action";
import type { Files } from "./files";
import type { Settings } from "./settings";
import type { ToolName, Tools } from "./tools";

export function actions(session: MaskSession, tools: Tools, settings: Settings, files: Files): Action[] {
  const tool = (name: ToolName, word: string, hint: string): Action => ({
    name, icon: name, word, hint, keys: [name[0]!], group: "tool",
    run: () => tools.take(name),
    pressed: () => tools.name === name,
  });
  const edit = (name: "invert" | "clear" | "grow" | "shrink", word: string, hint: string, run: () => Uint8Array): Action => ({
    name, icon: name, word, hint, keys: [name[0]!], group: "mask",
    run: () => session.change(run()),
  });
  return [
    tool("brush", "Brush", "Hide patches under a round brush; the right button or Alt shows them again"),
    tool("rectangle", "Rectangle", "Hide a rectangle of patches; the right button or Alt shows them again"),
    tool("erase", "Erase", "Show patches again under a round brush"),
    { name: "undo", icon: "undo", word: "Undo", hint: "Take back the last change of the mask", keys: ["Ctrl+Z", "u"], group: "edit",
      run: () => session.undo(), enabled: () => session.canUndo },
    { name: "redo", icon: "redo", word: "Redo", hint: "Bring back what was undone", keys: ["Ctrl+Y", "y", "Ctrl+Shift+Z"], group: "edit",
      run: () => session.redo(), enabled: () => session.canRedo },
    edit("invert", "Invert", "Hide what is visible and show what is hidden", () => invert(session.mask)),
    edit("clear", "Clear", "Show all patches", () => fill(session.grid, 0)),
    edit("grow", "Grow", "Hide also the patches beside hidden ones", () => grow(session.mask, session.grid)),
    edit("shrink", "Shrink", "Show also the hidden patches beside visible ones", () => shrink(session.mask, session.grid)),
    { name: "open", icon: "picture", word: "Open picture", hint: "Look at a picture of yours; dropping it here works too", keys: ["o"], group: "file",
      run: () => files.openPicture() },
    { name: "load", icon: "load", word: "Load mask", hint: "Load a mask from a PNG or RLE file; RLE text can also be pasted here", keys: ["l"], group: "file",
      run: () => files.openMask() },
    { name: "png", icon: "save", word: "Save PNG", hint: "Save the mask as a PNG with one pixel per patch, white = hidden", keys: ["p"], group: "file",
      run: () => files.savePng() },
    { name: "rle", icon: "save", word: "Save RLE", hint: "Save the mask as run-length text", keys: ["t"], group: "file",
      run: () => files.saveRle() },
    { name: "copy", icon: "copy", word: "Copy RLE", hint: "Copy the mask as run-length text", keys: ["Ctrl+C"], group: "file",
      run: () => files.copyRle() },
    { name: "draw", icon: "draw", word: "Draw", hint: "Draw a mask with this strategy, ratio and seed; the same seed draws the same mask", keys: ["d"], group: "draw",
      run: () => settings.draw(), due: () => settings.due },
    { name: "next", icon: "next", word: "Next seed", hint: "Draw another mask of the same kind", keys: ["n"], group: "draw",
      run: () => settings.drawNext() },
    { name: "smaller", icon: "brush", word: "Smaller brush", hint: "", keys: ["["], group: "none", run: () => settings.resize(-1) },
    { name: "larger", icon: "brush", word: "Larger brush", hint: "", keys: ["]"], group: "none", run: () => settings.resize(1) },
  ];
}
