import { defineConfig } from "vite";

// While the page is developed (`npm run dev`), the API is a server running beside it.
const server = "http://127.0.0.1:8000";

export default defineConfig({
  build: {
    target: "es2023",
    // The server's policy allows same-origin files alone: nothing may be inlined.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 700,
    rolldownOptions: { checks: { moduleLevelDirective: false } },
  },
  server: {
    proxy: Object.fromEntries(["/api", "/v1", "/healthz", "/artifacts"].map((path) => [path, server])),
  },
});
