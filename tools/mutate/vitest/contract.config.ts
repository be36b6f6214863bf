import { quickTests } from '../quick-tests.ts'

export default quickTests('contract')
