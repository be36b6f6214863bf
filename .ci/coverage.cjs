/**
 * Prints which share of the lines and branches of each package the tests ran, and fails below LINES_MIN. Three
 * sources are put together: vitest's own report (what tests import), Node's reports of edges that ran as processes,
 * and Chromium's of the dashboard's bundle. workerd and Deno report nothing; they run the same files as Node.
 * Usage: node .ci/coverage.cjs FOLDER, with vitest/coverage-final.json, node/*.json and browser/*.json in it
 */
const { existsSync, globSync, mkdtempSync, readdirSync, readFileSync, rmSync } = require('node:fs')
const { stripTypeScriptTypes } = require('node:module')
const { tmpdir } = require('node:os')
const { basename, join, relative } = require('node:path')
const { fileURLToPath, pathToFileURL } = require('node:url')

const ROOT = join(__dirname, '..')
/** Percent of lines. */
const LINES_MIN = { contract: 85, edge: 85, core: 85, dashboard: 85 }
const PACKAGES = Object.keys(LINES_MIN)
const IGNORED = /\.(test|suite|setup|d)\.tsx?$|\/(testing|conformance|sdk)\/|config\.ts$/

/** By file: line → whether it ran, and the branches of the source that saw most of them. */
const files = new Map()

main(process.argv[2]).catch((error) => {
  console.log(`The coverage could not be read: ${error.stack}`)
  process.exitCode = 1
})

async function main(folder) {
  const tools = await loadTools()
  for (const file of globSync(`{${PACKAGES}}/**/*.{ts,tsx}`, { cwd: ROOT }))
    if (!IGNORED.test(file)) files.set(join(ROOT, file), { lines: new Map(), branches: [0, 0] })
  const unit = join(folder, 'vitest/coverage-final.json')
  if (existsSync(unit)) add(tools, JSON.parse(readFileSync(unit, 'utf8')))
  await addProcesses(tools, join(folder, 'node'))
  await addBrowser(tools, join(folder, 'browser'))
  await addUnseen(tools)
  report()
}

async function loadTools() {
  const [{ default: convert }, istanbul, { mergeScriptCovs }, { parseAstAsync, build }] =
    await Promise.all([
      import('ast-v8-to-istanbul'),
      import('@vitest/istanbul-lib-coverage'),
      import('@bcoe/v8-coverage'),
      import('vite'),
    ])
  return { convert, istanbul, mergeScriptCovs, parseAstAsync, build }
}

function add({ istanbul }, data) {
  const map = istanbul.createCoverageMap(data)
  for (const path of map.files()) {
    const file = files.get(path)
    if (!file) continue
    const coverage = map.fileCoverageFor(path)
    for (const [line, hits] of Object.entries(coverage.getLineCoverage()))
      file.lines.set(line, file.lines.get(line) || hits > 0)
    const { covered, total } = coverage.toSummary().branches
    if (covered / (total || 1) > file.branches[0] / (file.branches[1] || 1) || !file.branches[1])
      file.branches = [covered, total]
  }
}

/** Node runs the source with its types blanked out, so offsets are those of the file. */
async function addProcesses(tools, folder) {
  for (const name of list(folder))
    for (const script of JSON.parse(readFileSync(join(folder, name), 'utf8')).result) {
      if (!script.url.startsWith('file:') || !files.has(fileURLToPath(script.url))) continue
      await addScript(tools, script, stripTypeScriptTypes(read(fileURLToPath(script.url))))
    }
}

async function addUnseen(tools) {
  for (const [path, { lines }] of files) {
    if (lines.size > 0 || path.endsWith('.tsx')) continue
    const code = stripTypeScriptTypes(read(path))
    const ranges = [{ startOffset: 0, endOffset: code.length, count: 0 }]
    const functions = [{ functionName: '', isBlockCoverage: true, ranges }]
    await addScript(tools, { url: pathToFileURL(path).href, functions }, code)
  }
}

async function addScript(tools, { url, functions }, code, sourceMap) {
  const ast = tools.parseAstAsync(code)
  add(tools, await tools.convert({ ast, code, sourceMap, coverage: { url, functions } }))
}

/**
 * The bundle is built again, with its source map; only a file with the same text is taken. A page loads
 * each file at every visit, so what is known of one file is put together first.
 */
async function addBrowser(tools, folder) {
  const reports = list(folder)
  if (reports.length === 0) return
  /** By the name of the built file. */
  const scripts = new Map()
  const outDir = mkdtempSync(join(tmpdir(), 'sluice-coverage-'))
  try {
    const configFile = join(ROOT, 'vite.config.ts')
    await tools.build({ configFile, logLevel: 'error', build: { outDir, sourcemap: 'hidden' } })
    for (const name of reports)
      for (const { url, source, functions } of JSON.parse(read(join(folder, name)))) {
        const built = join(outDir, 'assets', basename(new URL(url).pathname))
        if (!existsSync(`${built}.map`) || read(built) !== source) continue
        const visits = scripts.get(built) ?? []
        scripts.set(built, [...visits, { scriptId: '', url: pathToFileURL(built).href, functions }])
      }
    for (const [built, visits] of scripts) {
      const map = JSON.parse(read(`${built}.map`))
      await addScript(tools, tools.mergeScriptCovs(visits), read(built), map)
    }
  } finally {
    rmSync(outDir, { recursive: true, force: true })
  }
}

function list(folder) {
  return existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.json')) : []
}

function read(path) {
  return readFileSync(path, 'utf8')
}

function report() {
  console.log('Coverage    lines %  branches %')
  for (const name of PACKAGES) {
    const own = [...files].filter(([path]) => relative(ROOT, path).startsWith(`${name}/`))
    const lines = own.flatMap(([, file]) => [...file.lines.values()])
    const [taken, branches] = [0, 1].map((i) => own.reduce((sum, [, f]) => sum + f.branches[i], 0))
    const share = percent(lines.filter(Boolean).length, lines.length)
    console.log(
      `${name.padEnd(12)}${share.toFixed(1).padStart(6)}${percent(taken, branches).toFixed(1).padStart(12)}`,
    )
    if (share >= LINES_MIN[name]) continue
    console.log(`  ${name} is below ${LINES_MIN[name]} % of lines`)
    process.exitCode = 1
  }
}

function percent(part, whole) {
  return whole === 0 ? 0 : (100 * part) / whole
}
