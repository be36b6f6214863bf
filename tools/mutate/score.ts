/** How one package's mutants ended. */
export interface Score {
  package: string
  /** A test failed. */
  killed: number
  /** Every test passed: nothing in this package's tests notices the fault. */
  survived: number
  /** The mutant never ended, which a caller notices too. */
  timeout: number
  /** No test runs the code. */
  noCoverage: number
  /** Noticed mutants in percent of all, to one decimal; 100 where there are none. */
  score: number
}

/** @param statuses of all mutants, as StrykerJS names them; those it could not run or ignored are left out */
export function scoreOf(name: string, statuses: readonly string[]): Score {
  const count = (status: string) => statuses.filter((other) => other === status).length
  const [killed, survived] = [count('Killed'), count('Survived')]
  const [timeout, noCoverage] = [count('Timeout'), count('NoCoverage')]
  const noticed = killed + timeout
  const all = noticed + survived + noCoverage
  // Rounded down: 84.96 % has not reached 85 %.
  const score = all === 0 ? 100 : Math.floor((noticed * 1000) / all) / 10
  return { package: name, killed, survived, timeout, noCoverage, score }
}
