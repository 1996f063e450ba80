// ONNX Runtime's native WebGPU provider (Dawn on Vulkan) on an encoder and an optimum merged decoder, as a peer
// of `vulcap bench`.
//   node ort_webgpu.mjs --model DIR --pixels FILE --shape N,3,H,W [--dtype fp32|fp16|q8|q4] [--threads 2]
//                       [--batch-size 1] [--n-gen 0] [--provider webgpu|cpu] [--node-modules DIR]
// FILE holds the pixel values, f32, row-major. Captions the first image, says so, and then captions all of them
// for every line on stdin; the lines on stdout are those of bench/README.md.
import { existsSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { loadPackage, parseOptions } from './node_peer.mjs';

const options = parseOptions({
  model: '.', pixels: '', shape: '', dtype: 'fp32', threads: '0', 'batch-size': '1', 'n-gen': '0', provider: 'webgpu',
});
const { version, exports: ort } = loadPackage(options, 'onnxruntime-node');
const SUFFIXES = { fp32: '', fp16: '_fp16', q8: '_quantized', int8: '_int8', uint8: '_uint8', q4: '_q4' };
const LONGEST = 20; // tokens beside the prompt, where generation_config.json names no length

function graphFile(stem) {
  const name = `${stem}${SUFFIXES[options.dtype]}.onnx`;
  const file = [`${options.model}/onnx/${name}`, `${options.model}/${name}`].find(existsSync);
  if (!file) throw new Error(`no ${name} in ${options.model} or ${options.model}/onnx`);
  return file;
}

// config.json with generation_config.json over it.
function readSettings() {
  const files = ['config.json', 'generation_config.json'].map((name) => `${options.model}/${name}`);
  return Object.assign({}, ...files.filter(existsSync).map((file) => JSON.parse(readFileSync(file))));
}

const seconds = () => Number(process.hrtime.bigint()) / 1e9;
async function timed(work) {
  const start = seconds();
  const result = await work();
  return [seconds() - start, result];
}

const settings = readSettings();
const fixed = Number(options['n-gen']);
const ends = fixed ? [] : [settings.eos_token_id ?? []].flat();
const most = fixed || settings.max_new_tokens || (settings.max_length ?? LONGEST + 1) - 1;
const padding = settings.pad_token_id ?? ends[0] ?? 0;

const [images, channels, height, width] = options.shape.split(',').map(Number);
const imageSize = channels * height * width;
const bytes = readFileSync(options.pixels);
const pixels = new Float32Array(bytes.buffer, bytes.byteOffset, images * imageSize);

async function openGraphs() {
  const session = { executionProviders: [options.provider], logSeverityLevel: 3 };
  if (Number(options.threads)) session.intraOpNumThreads = Number(options.threads);
  const encoder = await ort.InferenceSession.create(graphFile('encoder_model'), session);
  const decoder = await ort.InferenceSession.create(graphFile('decoder_model_merged'), session);
  return { encoder, decoder };
}

function argmax(logits, row) {
  const [, length, vocabulary] = logits.dims;
  const begin = (row * length + length - 1) * vocabulary;
  let best = begin;
  for (let i = begin; i < begin + vocabulary; ++i) if (logits.data[i] > logits.data[best]) best = i;
  return best - begin;
}

function emptyPast(decoder, rows) {
  const past = {};
  for (const { name, type, shape } of decoder.inputMetadata) {
    if (name.startsWith('past')) past[name] = new ort.Tensor(type, [], [rows, shape[1], 0, shape[3]]);
  }
  return past;
}

async function step({ decoder }, tokens, hidden, past, cached) {
  const feeds = {
    input_ids: new ort.Tensor('int64', BigInt64Array.from(tokens, BigInt), [tokens.length, 1]),
    encoder_hidden_states: hidden,
    use_cache_branch: new ort.Tensor('bool', [cached], [1]),
    ...past,
  };
  const known = Object.entries(feeds).filter(([name]) => decoder.inputNames.includes(name));
  const { logits, ...present } = await decoder.run(Object.fromEntries(known));
  const next = Object.entries(present).map(([name, x]) => [name.replace('present', 'past_key_values'), x]);
  return [tokens.map((_, row) => argmax(logits, row)), Object.fromEntries(next)];
}

// Greedy, all rows until the last has ended: seconds of the encoder and of each decoder call, and ids.
async function caption(graphs, first, end) {
  const rows = end - first;
  const data = pixels.subarray(first * imageSize, end * imageSize);
  const input = new ort.Tensor('float32', data, [rows, channels, height, width]);
  const [encoderSeconds, encoded] = await timed(() => graphs.encoder.run({ pixel_values: input }));
  const hidden = encoded[graphs.encoder.outputNames[0]];
  let tokens = Array(rows).fill(settings.decoder_start_token_id);
  let past = emptyPast(graphs.decoder, rows);
  const ids = tokens.map((token) => [token]);
  const ended = Array(rows).fill(false);
  const decoderSeconds = [];
  while (decoderSeconds.length < most && ended.includes(false)) {
    const cached = decoderSeconds.length > 0;
    const [taken, [next, present]] = await timed(() => step(graphs, tokens, hidden, past, cached));
    decoderSeconds.push(taken);
    past = present;
    tokens = next.map((token, row) => (ended[row] ? padding : token));
    tokens.forEach((token, row) => {
      if (!ended[row]) ids[row].push(token);
      ended[row] ||= ends.includes(token);
    });
  }
  return [encoderSeconds, decoderSeconds, ids];
}

async function repetition(graphs) {
  const size = Number(options['batch-size']);
  const record = { images: [], ids: [] };
  const start = seconds();
  for (let first = 0; first < images; first += size) {
    const end = Math.min(first + size, images);
    const [encoderSeconds, decoderSeconds, ids] = await caption(graphs, first, end);
    const [prefill, ...steps] = decoderSeconds.map((taken) => taken / (end - first));
    const image = { encode: encoderSeconds / (end - first), prefill, steps };
    record.images.push(...Array(end - first).fill(image));
    record.ids.push(...ids);
  }
  return { wall: seconds() - start, ...record };
}

const answer = (record) => process.stdout.write(`${JSON.stringify(record)}\n`);
const [load, graphs] = await timed(openGraphs);
await caption(graphs, 0, 1);
answer({ engine: `onnxruntime-node ${version}`, device: options.provider, load });
for await (const _ of createInterface({ input: process.stdin })) answer(await repetition(graphs));
process.exit(0);
