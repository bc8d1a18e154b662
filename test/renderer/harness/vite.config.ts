import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

/** Built as the renderer is (scripts/build.mjs), so that the content security policy means the same. */
export default defineConfig({
  root: import.meta.dirname,
  base: './',
  logLevel: 'warn',
  plugins: [react()],
  worker: { format: 'es' },
  build: {
    emptyOutDir: true,
    target: 'chrome114',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 4096,
  },
});
