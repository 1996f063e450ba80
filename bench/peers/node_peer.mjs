// What the node drivers share: options, and packages found in a folder that the caller names.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';

// `defaults` maps option names to default strings; --node-modules DIR is always accepted. Unnamed arguments
// are under `files`.
export function parseOptions(defaults) {
  const all = { 'node-modules': 'node_modules', ...defaults };
  const asOption = ([name, value]) => [name, { type: 'string', default: value }];
  const options = Object.fromEntries(Object.entries(all).map(asOption));
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  return { ...values, files: positionals };
}

// A package of `options['node-modules']`, with its version.
export function loadPackage(options, name) {
  const folder = resolve(options['node-modules']);
  const version = JSON.parse(readFileSync(`${folder}/${name}/package.json`)).version;
  return { version, exports: createRequire(`${folder}/`)(name) };
}
