/** One environment variable; docs/configuration.md shows all of them as a table. Texts are Markdown. */
export interface Setting {
  name: string
  /** What holds when it is not set; empty where there is none. */
  default: string
  meaning: string
  /** Which programs read it: core, cli, edge, compose; in brackets, which roles of core. */
  readBy: string
}
