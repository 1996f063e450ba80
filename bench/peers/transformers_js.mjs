// transformers.js's image-to-text pipeline on image files, an image at a time, as a peer of `vulcap bench`.
//   node transformers_js.mjs --model DIR [--dtype fp32|fp16|q8|q4] [--device cpu|webgpu] [--threads 2]
//                            [--n-gen 0] [--node-modules DIR] IMAGE...
// Captions the first image, says so, and then captions all of them for every line on stdin; the lines on stdout
// are those of bench/README.md.
import { createInterface } from 'node:readline';
import { basename, dirname, resolve } from 'node:path';
import { loadPackage, parseOptions } from './node_peer.mjs';

const options = parseOptions({
  model: '.', dtype: 'fp32', device: 'cpu', threads: '0', 'batch-size': '1', 'n-gen': '0',
});
const { version, exports: { env, pipeline } } = loadPackage(options, '@huggingface/transformers');
if (options['batch-size'] !== '1' || options['n-gen'] !== '0') {
  throw new Error('transformers-js captions one image at a time, to its end: leave out --batch-size and --n-gen');
}
const folder = resolve(options.model);
env.allowRemoteModels = false;
env.localModelPath = dirname(folder);

const seconds = () => performance.now() / 1e3;
const start = seconds();
const threads = Number(options.threads);
const captioner = await pipeline('image-to-text', basename(folder), {
  dtype: options.dtype,
  device: options.device,
  ...(threads ? { session_options: { intraOpNumThreads: threads } } : {}),
});
const load = seconds() - start;

async function caption(file) {
  const begin = seconds();
  const [{ generated_text: text }] = await captioner(file);
  return [{ total: seconds() - begin }, text.trim()];
}

async function repetition() {
  const record = { images: [], captions: [] };
  const begin = seconds();
  for (const file of options.files) {
    const [times, text] = await caption(file);
    record.images.push(times);
    record.captions.push(text);
  }
  return { wall: seconds() - begin, ...record };
}

const answer = (record) => process.stdout.write(`${JSON.stringify(record)}\n`);
await caption(options.files[0]);
answer({ engine: `transformers.js ${version}`, device: options.device, load });
for await (const _ of createInterface({ input: process.stdin })) answer(await repetition());
process.exit(0);
