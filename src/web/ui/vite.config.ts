import { defineConfig } from 'vite';

// The program embeds `dist`. Nothing is inlined: the pages run under a Content-Security-Policy of 'self'.
export default defineConfig({
  base: '/',
  esbuild: { jsx: 'automatic', jsxImportSource: 'preact' },
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    cssCodeSplit: false,
  },
  server: { proxy: { '/api': process.env.BTCDMON_API ?? 'http://127.0.0.1:8399' } },
});
