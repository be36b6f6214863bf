import { relative } from 'node:path'
import { parseArgs } from 'node:util'
import { Stryker } from '@stryker-mutator/core'
import { PACKAGE_NAMES, PACKAGES, type PackageName, packageOf } from './packages.ts'
import { type Score, scoreOf } from './score.ts'

/**
 * Mutation testing (docs/mutation-testing.md): `npm run mutate -- [--json] [--fresh] [--static] [--runners n]
 * [package or file…]`.
 * Runs one package after the other; a run that was ended goes on where it stopped.
 */
const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean' },
    fresh: { type: 'boolean' },
    static: { type: 'boolean' },
    runners: { type: 'string', default: '2' },
  },
})

type Options = ConstructorParameters<typeof Stryker>[0]

const STATE = '.sluice/mutate'

const runners = Number(flags.runners)
if (!Number.isInteger(runners) || runners < 1) throw new Error('--runners takes a number from 1')

const scores: Score[] = []
for (const [name, files] of wanted()) scores.push(await mutate(name, files))
if (flags.json) for (const score of scores) console.log(JSON.stringify(score))
else console.table(scores)

/** The packages to run, each with the files that were named; none named means all. */
function wanted(): Map<PackageName, string[]> {
  const found = new Map<PackageName, string[]>()
  for (const named of positionals.length > 0 ? positionals : PACKAGE_NAMES) {
    const name = PACKAGE_NAMES.find((name) => name === named) ?? packageOf(named)
    if (!name)
      throw new Error(`${named} is neither a mutated file nor one of ${PACKAGE_NAMES.join(', ')}`)
    const files = found.get(name) ?? []
    found.set(name, name === named ? files : [...files, named])
  }
  return found
}

async function mutate(name: PackageName, files: string[]): Promise<Score> {
  const results = await new Stryker(optionsFor(name, files)).runMutationTest()
  return scoreOf(
    name,
    results
      // Former results are kept, of files too that are not mutated any more.
      .filter(({ fileName }) => packageOf(relative('.', fileName)) === name)
      .filter(({ fileName }) => files.length === 0 || files.some((file) => fileName.endsWith(file)))
      .map(({ status }) => status),
  )
}

function optionsFor(name: PackageName, files: string[]): Options {
  return {
    plugins: ['@stryker-mutator/vitest-runner'],
    testRunner: 'vitest',
    vitest: { configFile: `tools/mutate/vitest/${name}.config.ts` },
    mutate: [...(files.length > 0 ? files : PACKAGES[name].mutate), '!**/*.test.ts'],
    // Texts are for people: no test should repeat them, and types hold those that are not.
    mutator: { excludedMutations: ['StringLiteral'] },
    // Vitest checks no types, and a test compares a generated file with itself.
    disableTypeChecks: false,
    coverageAnalysis: 'perTest',
    // They need every test of the package, not only those that reach them: hours instead of minutes.
    ignoreStatic: !flags.static,
    concurrency: runners,
    // Added to what the tests took without a mutant; on a busy machine a thread alone may need seconds.
    timeoutMS: 20_000,
    dryRunTimeoutMinutes: 10,
    incremental: true,
    incrementalFile: `${STATE}/${name}.incremental.json`,
    force: flags.fresh ?? false,
    tempDirName: `${STATE}/sandbox`,
    ignorePatterns: ['.sluice', 'bench', 'docs', 'dist'],
    reporters: flags.json ? ['json'] : ['json', 'progress-append-only'],
    jsonReporter: { fileName: `${STATE}/${name}.json` },
    logLevel: (flags.json ? 'off' : 'warn') as Options['logLevel'],
    allowEmpty: false,
  }
}
