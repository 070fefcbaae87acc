import { defineConfig } from "vite";

/** For tests/serve/test_web_agreement.py: the modules as one program for Node. */
export default defineConfig({ logLevel: "error", publicDir: false });
