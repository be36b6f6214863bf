/**
 * `npm run sbom`: the packages that run in production as CycloneDX JSON, from package-lock.json alone. npm's own
 * --omit=dev also leaves out packages that development packages need too, such as graphql and pg.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const OUTPUT_BYTES_MAX = 64 * 2 ** 20

const { packages } = JSON.parse(readFileSync(`${ROOT}/package-lock.json`, 'utf8'))
const production = new Set(
  Object.entries(packages)
    .filter(([path, { dev, devOptional }]) => path !== '' && !dev && !devOptional)
    .map(([path, { name, version }]) => `${name ?? path.split('node_modules/').at(-1)}@${version}`),
)
const sbom = JSON.parse(
  execFileSync('npm', ['sbom', '--package-lock-only', '--sbom-format', 'cyclonedx'], {
    cwd: ROOT,
    maxBuffer: OUTPUT_BYTES_MAX,
    encoding: 'utf8',
  }),
)
/** @param {{ name: string, version: string }} component */
const runs = ({ name, version }) => production.has(`${name}@${version}`)
sbom.components = sbom.components.filter(runs)
const refs = new Set(sbom.components.map((/** @type {any} */ component) => component['bom-ref']))
const root = sbom.metadata.component['bom-ref']
sbom.dependencies = sbom.dependencies
  .filter((/** @type {any} */ { ref }) => ref === root || refs.has(ref))
  .map((/** @type {any} */ { ref, dependsOn = [] }) => ({
    ref,
    dependsOn: dependsOn.filter((/** @type {string} */ other) => refs.has(other)),
  }))
sbom.metadata.component.name = 'sluice'
console.log(JSON.stringify(sbom, null, 2))
