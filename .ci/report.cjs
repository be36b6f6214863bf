/**
 * Reads vitest's JSON reports: prints the ten slowest test files and the closing line "N passed, N failed".
 * A skipped test counts as failed here, and so does a run that tested nothing.
 * Usage: node .ci/report.cjs REPORT EXIT_STATUS [REPORT_OF_THE_SECOND_RUN]
 *        node .ci/report.cjs --failed REPORT    prints the files to run a second time, a line each
 */
const { readFileSync } = require('node:fs')
const { relative } = require('node:path')

const SLOWEST_SHOWN = 10
/** More failed files than that are no coincidence, and are not run again. */
const RUN_AGAIN_MAX = 5

/** @param {string} path @param {string} status @param {string} [secondPath] */
function closeRun(path, status, secondPath) {
  let counts = { passed: 0, failed: 1, skipped: 0 }
  try {
    const report = readReport(path)
    counts = {
      passed: report.numPassedTests,
      failed: report.numFailedTests || report.numFailedTestSuites,
      skipped: report.numPendingTests,
    }
    printSlowest(report.testResults)
    if (secondPath) counts = withSecondRun(counts, report, readReport(secondPath))
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
}

function readReport(path) {
  return JSON.parse(readFileSync(path, 'utf8'))
}

function printFailed(path) {
  const files = filesThatFailed(readReport(path))
  if (files.length <= RUN_AGAIN_MAX) for (const name of files) console.log(relativePath(name))
}

function filesThatFailed({ testResults }) {
  return [...new Set(testResults.filter(isFailed).map(({ name }) => name))]
}

function isFailed({ status }) {
  return status !== 'passed'
}

/** Tests that failed beside others and passed alone are named, and count as passed. */
function withSecondRun(counts, first, second) {
  const passedNow = new Map()
  for (const file of second.testResults)
    for (const { fullName, status } of file.assertionResults)
      passedNow.set(
        keyOf(file, fullName),
        status === 'passed' && passedNow.get(keyOf(file, fullName)) !== false,
      )
  const result = { ...counts }
  for (const file of first.testResults.filter(isFailed))
    for (const { fullName, status } of file.assertionResults) {
      if (status === 'passed' || passedNow.get(keyOf(file, fullName)) !== true) continue
      console.log(`Failed beside others, passed alone: ${relativePath(file.name)} > ${fullName}`)
      result.passed += 1
      // After a failed hook the tests of a file count as skipped.
      result[status === 'failed' ? 'failed' : 'skipped'] -= 1
    }
  return result
}

function keyOf({ name }, fullName) {
  return `${name}\n${fullName}`
}

function relativePath(path) {
  return relative(process.cwd(), path)
}

/** @param {{ name: string, startTime: number, endTime: number }[]} files */
function printSlowest(files) {
  const timed = files
    .map(({ name, startTime, endTime }) => ({ name, seconds: (endTime - startTime) / 1000 }))
    .sort((a, b) => b.seconds - a.seconds)
  console.log(`The ${SLOWEST_SHOWN} slowest of ${timed.length} test files:`)
  for (const { name, seconds } of timed.slice(0, SLOWEST_SHOWN))
    console.log(`${seconds.toFixed(1).padStart(7)} s  ${relativePath(name)}`)
}

if (process.argv[2] === '--failed') printFailed(process.argv[3])
else closeRun(...process.argv.slice(2))
