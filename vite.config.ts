import { statSync } from 'node:fs'
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

/** Shared memory for WASM threads exists only in cross-origin isolated pages. The signaling server sends the same headers. */
const isolation = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' }

/** Bytes of onnxruntime's binaries: the volunteer page states its cost before the start. */
const engineBytes = (binary: string): number => statSync(new URL(`node_modules/onnxruntime-web/dist/${binary}`, import.meta.url)).size

export default defineConfig({
  define: {
    ENGINE_BYTES: { webgpu: engineBytes('ort-wasm-simd-threaded.asyncify.wasm'), wasm: engineBytes('ort-wasm-simd-threaded.wasm') }
  },
  plugins: [react()],
  base: '/',
  build: {
    outDir: 'dist',
    target: 'es2023',
    // onnxruntime's WASM is one file of 14 or 27 MB; the limit is for script chunks.
    chunkSizeWarningLimit: 1024
  },
  worker: { format: 'es' },
  server: { headers: isolation },
  preview: { headers: isolation }
})
