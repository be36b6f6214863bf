import { inject, TestRunner } from 'vitest'

/** Where an engine is missing, every test of the project is skipped before any hook has run. */
export default class EnginesRunner extends TestRunner {
  constructor(config: ConstructorParameters<typeof TestRunner>[0]) {
    super(inject('enginesMissing') ? { ...config, testNamePattern: NO_TEST } : config)
  }
}

const NO_TEST = /(?!)/
