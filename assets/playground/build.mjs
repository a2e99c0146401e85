// Makes dist/ from src/ and the packages that package-lock.json pins: `npm ci && node build.mjs`.
//
// Every file but index.html is gzipped. Scripts and styles carry a hash of their content in their names, so that a
// browser may keep them for ever. Nothing in the output depends on the time, the machine or the folder.

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const root = dirname(fileURLToPath(import.meta.url));
const dist = join(root, 'dist');
// Relative to the page, which a proxy may serve below a path.
const address = 'playground/';

const WORKERS = {
  editor: 'monaco-editor/esm/vs/editor/editor.worker.js',
  graphql: 'monaco-graphql/esm/graphql.worker.js',
  json: 'monaco-editor/esm/vs/language/json/json.worker.js',
};

/** Packages that come without a licence file, and the package of the same owner whose file holds for them too. */
const LICENCE_OF = {
  '@graphiql/plugin-doc-explorer': 'graphiql',
  '@graphiql/plugin-history': 'graphiql',
  'react-compiler-runtime': 'react',
  'react-remove-scroll-bar': 'react-remove-scroll',
};

// GraphiQL's stylesheet holds Monaco's already, so that the parts which Monaco imports would come twice.
const leaveOutMonacoStyles = {
  name: 'leave-out-monaco-styles',
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]monaco-editor[\\/].*\.css$/ }, () => ({ contents: '', loader: 'css' }));
  },
};

/** What went into the bundles: package folders, and the legal comments of their sources. */
const packages = new Set();
const legalComments = [];

async function bundle(entryPoint, define = {}) {
  const result = await build({
    absWorkingDir: root,
    entryPoints: [entryPoint],
    outdir: 'dist',
    bundle: true,
    write: false,
    metafile: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    jsx: 'automatic',
    legalComments: 'external',
    loader: { '.ttf': 'dataurl' },
    define: { 'process.env.NODE_ENV': '"production"', ...define },
    plugins: [leaveOutMonacoStyles],
    logLevel: 'warning',
  });
  for (const input of Object.keys(result.metafile.inputs)) {
    const folder = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input)?.[0];
    if (folder) packages.add(folder);
  }
  const output = (ending) => result.outputFiles.find(({ path }) => path.endsWith(ending))?.text;
  legalComments.push((output('.LEGAL.txt') ?? '').replace('Bundled license information:', '').trim());
  return { script: output('.js'), style: output('.css') };
}

function writeGzipped(name, content) {
  const zipped = gzipSync(content, { level: 9 });
  zipped[9] = 255; // "unknown" instead of this machine's operating system
  writeFileSync(join(dist, `${name}.gz`), zipped);
}

/** Writes the content under its hash and gives the address to ask for it. */
function publish(name, extension, content) {
  const hash = createHash('sha256').update(content).digest('hex').slice(0, 12);
  writeGzipped(`${name}-${hash}.${extension}`, content);
  return `${address}${name}-${hash}.${extension}`;
}

function licenceText(folder) {
  const file = readdirSync(join(root, folder)).find((name) => /^licen[cs]e/i.test(name));
  return file && readFileSync(join(root, folder, file), 'utf8').trim();
}

function licences() {
  const rule = '='.repeat(80);
  const section = (title, text) => `${rule}\n${title}\n${rule}\n\n${text.replaceAll('\r\n', '\n').trim()}\n`;
  const sections = [...packages].sort().map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'));
    const fallback = LICENCE_OF[name] && join('node_modules', LICENCE_OF[name]);
    const text = licenceText(folder) ?? (fallback && licenceText(fallback));
    if (!text) throw new Error(`${name} has no licence file: add where to find one to LICENCE_OF`);
    const notices = join(root, folder, 'ThirdPartyNotices.txt');
    const more = existsSync(notices) ? `\n\n${readFileSync(notices, 'utf8').trim()}` : '';
    return section(`${name} ${version} (${license})`, text + more);
  });
  const own = (file) => readFileSync(join(root, 'licences', file), 'utf8');
  return [
    'The playground of Scrip is made of the packages and fonts below.\n',
    ...sections,
    section('Fira Code (OFL-1.1), in the stylesheet', own('fira-code.txt')),
    section(
      'Codicons (CC-BY-4.0), in the stylesheet',
      'Copyright (c) Microsoft Corporation. https://github.com/microsoft/vscode-codicons\n' +
        'https://creativecommons.org/licenses/by/4.0/legalcode',
    ),
    section('Roboto (Apache-2.0), in the stylesheet', `Copyright 2011 Google Inc. All Rights Reserved.\n\n${own('Apache-2.0.txt')}`),
    section('Notices in the sources', legalComments.filter(Boolean).join('\n\n')),
  ].join('\n');
}

rmSync(dist, { recursive: true, force: true });
mkdirSync(dist);

const workers = {};
for (const [label, entryPoint] of Object.entries(WORKERS)) {
  const { script } = await bundle(join('node_modules', entryPoint));
  workers[label] = publish(`${label}-worker`, 'js', script);
}
const { script, style } = await bundle('src/main.jsx', { WORKERS: JSON.stringify(workers) });
const page = readFileSync(join(root, 'src/index.html'), 'utf8')
  .replace('{{script}}', publish('playground', 'js', script))
  .replace('{{style}}', publish('playground', 'css', style));
writeFileSync(join(dist, 'index.html'), page);
writeGzipped('LICENSES.txt', licences());

for (const name of readdirSync(dist).sort()) {
  console.log(`${readFileSync(join(dist, name)).length.toString().padStart(9)}  ${name}`);
}
