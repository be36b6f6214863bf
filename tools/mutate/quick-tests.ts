import { defineConfig, type ViteUserConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'
import { PACKAGES, type PackageName } from './packages.ts'

/**
 * What comes last, as most mutants are dead by then: tests of whole requests, and after them those that wait or
 * try thousands of random cases.
 */
const LAST = [/in-process\.test\.ts$/, /(properties|fuzz|app-bodies)\.test\.ts$/]

class QuickFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => LAST.findIndex((last) => last.test(moduleId))
    return files.toSorted((a, b) => rank(a) - rank(b))
  }
}

/** Vitest's configuration with the quick tests of one package; a mutant needs them again and again. */
export function quickTests(name: PackageName): ViteUserConfig {
  return defineConfig({
    // As the dashboard's tests have it: Solid's server build has no effects.
    ssr: { resolve: { conditions: ['browser'] } },
    test: {
      include: [...PACKAGES[name].tests],
      // Each mutant has a thread of its own anyway; one for each file besides would be half of the time.
      isolate: false,
      testTimeout: 60_000,
      setupFiles: ['tools/mutate/random.setup.ts'],
      sequence: { sequencer: QuickFirst },
      server: { deps: { inline: [/solid-js/] } },
    },
  })
}
