// One self-contained module and one stylesheet per view: src/views/NAME.ts -> ../mimviz/widgets/static/NAME.{js,css}
// and what pages without a kernel are made of: src/page/{page,model}.ts, page.css -> ../mimviz/share/static/
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import * as esbuild from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const views = readdirSync(join(here, "src/views")).filter((name) => /\.(ts|css)$/.test(name));
const pages = process.env.MIMVIZ_SHARE_STATIC ?? join(here, "../mimviz/share/static");

const options = {
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  charset: "utf8",
  legalComments: "none",
  logLevel: "info",
};
const all = [
  { ...options, entryPoints: views.map((name) => join(here, "src/views", name)), outdir: process.env.MIMVIZ_STATIC ?? join(here, "../mimviz/widgets/static") },
  // a script of its own, not a module: a page opened from a file has no origin to load modules from
  { ...options, entryPoints: ["page.ts", "page.css"].map((name) => join(here, "src/page", name)), outdir: pages, format: "iife", charset: "ascii" },
  // the model's runtime, for pages that carry a model: imported by the script above
  { ...options, entryPoints: [join(here, "src/page/model.ts")], outdir: pages, conditions: ["import"], define: { "import.meta.url": '"about:blank"' } },
];

function packRuntime() {
  const source = createRequire(import.meta.url).resolve("onnxruntime-web/ort-wasm-simd-threaded.wasm");
  const target = join(pages, "runtime.wasm.gz");
  if (existsSync(target) && statSync(target).mtimeMs > statSync(source).mtimeMs) return;
  writeFileSync(target, gzipSync(readFileSync(source), { level: 9 }));
}

if (process.argv.includes("--watch")) {
  for (const each of all) await (await esbuild.context({ ...each, minify: false, sourcemap: "inline" })).watch();
} else {
  for (const each of all) await esbuild.build(each);
  packRuntime();
}
