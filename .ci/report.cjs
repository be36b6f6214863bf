/**
 * Reads vitest's JSON report: prints the ten slowest test files and the closing line "N passed, N failed".
 * A skipped test counts as failed here, and so does a run that tested nothing.
 * Usage: node .ci/report.cjs REPORT EXIT_STATUS
 */
const { readFileSync } = require('node:fs')
const { relative } = require('node:path')

const SLOWEST_SHOWN = 10
const [path, status] = process.argv.slice(2)

let counts = { passed: 0, failed: 1, skipped: 0 }
try {
  const report = JSON.parse(readFileSync(path, 'utf8'))
  counts = {
    passed: report.numPassedTests,
    failed: report.numFailedTests || report.numFailedTestSuites,
    skipped: report.numPendingTests,
  }
  printSlowest(report.testResults)
} catch (error) {
  console.log(`The test report could not be read: ${error.message}`)
}
if (counts.skipped > 0) {
  console.log(`${counts.skipped} tests were skipped. In CI every engine has to be there.`)
  counts.failed += counts.skipped
}
if (counts.failed === 0 && (status !== '0' || counts.passed === 0)) counts.failed = 1
console.log(`${counts.passed} passed, ${counts.failed} failed`)
process.exit(counts.failed === 0 ? 0 : 1)

/** @param {{ name: string, startTime: number, endTime: number }[]} files */
function printSlowest(files) {
  const timed = files
    .map(({ name, startTime, endTime }) => ({ name, seconds: (endTime - startTime) / 1000 }))
    .sort((a, b) => b.seconds - a.seconds)
  console.log(`The ${SLOWEST_SHOWN} slowest of ${timed.length} test files:`)
  for (const { name, seconds } of timed.slice(0, SLOWEST_SHOWN))
    console.log(`${seconds.toFixed(1).padStart(7)} s  ${relative(process.cwd(), name)}`)
}
