import type { TestProject } from 'vitest/node'
import { checkTools } from './engines.setup.ts'

/** For test files that start engines of their own: only checks that the programs are there. */
export default async function setup(project: TestProject): Promise<void> {
  await checkTools(project)
}
