// ONNX Runtime's native WebGPU provider (Dawn on Vulkan) on an image encoder; prints a graph record, whose
// fields and seeded input are those of bench/README.md.
//   node ort_webgpu.mjs --model DIR [--dtype fp32|fp16] [--threads 2] [--rounds 3] [--provider webgpu|cpu]
//                       [--node-modules DIR]
import { existsSync, readFileSync } from 'node:fs';
import { loadPackage, parseOptions, peakRssBytes } from './node_peer.mjs';

const options = parseOptions({ model: '.', dtype: 'fp32', threads: '2', rounds: '3', provider: 'webgpu' });
const { version, exports: ort } = loadPackage(options, 'onnxruntime-node');

function encoderFile() {
  const name = `encoder_model${{ fp32: '', fp16: '_fp16' }[options.dtype]}.onnx`;
  const file = [`${options.model}/onnx/${name}`, `${options.model}/${name}`].find(existsSync);
  if (!file) throw new Error(`no ${name} in ${options.model} or ${options.model}/onnx`);
  return file;
}

function seededPixels() {
  const { size } = JSON.parse(readFileSync(`${options.model}/preprocessor_config.json`));
  const side = size.height ?? size.shortest_edge ?? size;
  const hashed = (_, index) => (Math.imul(index, 2654435761) >>> 0) / 2 ** 31 - 1;
  const pixels = Float32Array.from({ length: 3 * side * side }, hashed);
  return new ort.Tensor('float32', pixels, [1, 3, side, side]);
}

async function timed(work) {
  const start = process.hrtime.bigint();
  const result = await work();
  return [Number(process.hrtime.bigint() - start) / 1e9, result];
}

const [loadSeconds, session] = await timed(() => ort.InferenceSession.create(encoderFile(), {
  executionProviders: [options.provider],
  intraOpNumThreads: Number(options.threads),
  logSeverityLevel: 3,
}));
const feeds = { pixel_values: seededPixels() };
const [firstSeconds] = await timed(() => session.run(feeds));
const encoderSeconds = [];
for (let round = 0; round < Number(options.rounds); ++round) {
  const [seconds] = await timed(() => session.run(feeds));
  encoderSeconds.push(seconds);
}
console.log(JSON.stringify({
  engine: `onnxruntime-node ${version}`,
  device: options.provider,
  load_seconds: loadSeconds,
  first_encoder_seconds: firstSeconds,
  encoder_seconds: encoderSeconds,
  peak_rss_bytes: peakRssBytes(),
}));
