import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { gzipSync } from "node:zlib";
import { defineConfig, type Plugin } from "vite";
import facts from "./src/facts.json" with { type: "json" };

const OUT = "dist";
const PACKED = /\.(wasm|mjs|js|css|html|svg|webmanifest)$/;

/** After the build: the service worker with the list of all files, and a compressed copy of each that gains by it. */
function offline(): Plugin {
  return {
    name: "offline",
    apply: "build",
    closeBundle() {
      const files = listed(OUT).filter((file) => !file.endsWith(".gz") && file !== "sw.js").sort();
      const digest = createHash("sha256");
      for (const file of files) digest.update(file).update(readFileSync(join(OUT, file)));
      const worker = readFileSync("src/sw.js", "utf8")
        .replace("__VERSION__", digest.digest("hex").slice(0, 16))
        .replace("__FILES__", JSON.stringify(["./", ...files.filter((file) => file !== "index.html")]))
        .replace("__SERVICE__", JSON.stringify(facts.service));
      writeFileSync(join(OUT, "sw.js"), worker);
      for (const file of listed(OUT).filter((file) => PACKED.test(file))) {
        writeFileSync(join(OUT, `${file}.gz`), gzipSync(readFileSync(join(OUT, file)), { level: 9 }));
      }
    },
  };
}

function listed(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).replaceAll("\\", "/"));
}

export default defineConfig({
  base: "./",
  build: { outDir: OUT, target: "es2022", assetsInlineLimit: 0, modulePreload: { polyfill: false } },
  worker: { format: "es" },
  plugins: [offline()],
});
