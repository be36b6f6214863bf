/** What the parts of core log to: fields first, then what failed and what happens next. */
export interface Logger {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}
