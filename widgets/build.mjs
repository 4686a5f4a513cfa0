// One self-contained module and one stylesheet per view: src/views/NAME.ts -> ../mimviz/widgets/static/NAME.{js,css}
import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const views = readdirSync(join(here, "src/views")).filter((name) => /\.(ts|css)$/.test(name));

const options = {
  entryPoints: views.map((name) => join(here, "src/views", name)),
  outdir: process.env.MIMVIZ_STATIC ?? join(here, "../mimviz/widgets/static"),
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  charset: "utf8",
  legalComments: "none",
  logLevel: "info",
};

if (process.argv.includes("--watch")) {
  const context = await esbuild.context({ ...options, minify: false, sourcemap: "inline" });
  await context.watch();
} else {
  await esbuild.build(options);
}
