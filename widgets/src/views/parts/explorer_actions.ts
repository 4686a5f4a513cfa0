/** Everything a button or a key of the attention explorer can do. */
import type { Exploration } from "../../kit/exploration";
import type { Action } from "./action";
import type { Look, Show } from "./heads";
import type { Save } from "./save";

export function explorerActions(session: Exploration, look: Look, tool: { on: boolean; token: () => string }, save: Save, redraw: () => void): Action[] {
  const show = (name: Show, word: string, hint: string, key: string): Action => ({
    name, icon: name, word, hint, keys: [key], group: "show",
    run: () => ((look.show = name), redraw()),
    pressed: () => look.show === name,
  });
  const part = (name: "encoder" | "decoder", key: string): Action => ({
    name, icon: "layers", word: name === "encoder" ? "Encoder" : "Decoder", hint: `Layers of the ${name}`, keys: [key], group: "part",
    run: () => session.turn(name),
    pressed: () => session.part === name,
    enabled: () => session.parts.includes(name),
  });
  const layer = (name: "up" | "down", word: string, by: number, key: string): Action => ({
    name, icon: name, word, hint: `Open the layer ${by < 0 ? "before" : "after"} this one`, keys: [key], group: "layer",
    run: () => session.open(session.layer + by),
    enabled: () => session.layer + by >= 0 && session.layer + by < session.depth,
  });
  const file = (name: "npz" | "json" | "svg" | "pdf", word: string, hint: string, key: string): Action => ({
    name, icon: "save", word, hint, keys: [key], group: "file", run: () => save.ask(name),
  });
  return [
    part("encoder", "e"), part("decoder", "d"),
    show("all", "All heads", "A panel for every head", "a"),
    show("mean", "Mean", "The mean of the chosen heads, or of all", "m"),
    show("max", "Maximum", "The largest weight over the chosen heads, or over all", "x"),
    show("chosen", "Chosen", "Only the heads whose names were clicked", "c"),
    layer("up", "Earlier", -1, "["), layer("down", "Later", 1, "]"),
    { name: "out", icon: "out", word: "Knock out", hint: "While this is on, a click on a patch or a chip hides it from every token; Alt and a click do it at any time", keys: ["o"], group: "edit",
      run: () => ((tool.on = !tool.on), redraw()), pressed: () => tool.on },
    { name: "knock", icon: "out", word: "Knock out the token in view", hint: "", keys: ["k"], group: "none",
      run: () => session.toggleToken(tool.token()) },
    { name: "undo", icon: "undo", word: "Undo", hint: "Take back the last knock-out", keys: ["Ctrl+Z", "u"], group: "edit",
      run: () => session.undo(), enabled: () => session.canUndo },
    { name: "redo", icon: "redo", word: "Redo", hint: "Knock out again what was taken back", keys: ["Ctrl+Y", "y", "Ctrl+Shift+Z"], group: "edit",
      run: () => session.redo(), enabled: () => session.canRedo },
    { name: "restore", icon: "clear", word: "Restore", hint: "Put back everything that was knocked out", keys: ["r"], group: "edit",
      run: () => session.restore(), enabled: () => session.knockouts.heads.length + session.knockouts.tokens.length > 0 },
    { name: "atlas", icon: "load", word: "All layers", hint: "Fetch all layers: then the overview follows the pointer too", keys: ["l"], group: "file",
      run: () => session.fetchAll(), enabled: () => !session.complete, pressed: () => session.complete },
    { name: "png", icon: "save", word: "PNG", hint: "Save the heads as they are on the screen", keys: ["p"], group: "file", run: () => save.png() },
    file("svg", "SVG", "A figure of these heads, drawn by Python", "s"),
    file("pdf", "PDF", "A figure of these heads, drawn by Python", "f"),
    file("npz", "npz", "Exact numbers of these heads for numpy", "n"),
    file("json", "JSON", "Exact numbers of these heads as text", "j"),
  ];
}
