// transformers.js's image-to-text pipeline, an image at a time; prints a caption record for each.
//   node transformers_js.mjs --model DIR [--dtype fp32|fp16|q8|q4] [--device cpu|webgpu] [--threads 2]
//                            [--node-modules DIR] IMAGE...
import { basename, dirname, resolve } from 'node:path';
import { loadPackage, parseOptions } from './node_peer.mjs';

const options = parseOptions({ model: '.', dtype: 'fp32', device: 'cpu', threads: '2' });
const { version, exports: { env, pipeline } } = loadPackage(options, '@huggingface/transformers');
const folder = resolve(options.model);
env.allowRemoteModels = false;
env.localModelPath = dirname(folder);

const caption = await pipeline('image-to-text', basename(folder), {
  dtype: options.dtype,
  device: options.device,
  session_options: { intraOpNumThreads: Number(options.threads) },
});
for (const file of options.files) {
  const start = performance.now();
  const [{ generated_text: text }] = await caption(file);
  const total = (performance.now() - start) / 1e3;
  const record = { file, caption: text.trim(), timing: { total }, engine: `transformers.js ${version}` };
  console.log(JSON.stringify(record));
}
