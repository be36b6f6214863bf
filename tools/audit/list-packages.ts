import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../../core/lib/paths.ts'
import { productionPackages } from './production-packages.ts'

/** `npm run sbom:list`: writes the list that audit.test.ts compares with package-lock.json. */
const lines = productionPackages().map(
  ({ name, version, license }) => `${name}@${version} ${license}`,
)
writeFileSync(join(ROOT, 'tools/audit/production-packages.txt'), `${lines.join('\n')}\n`)
