/** What became of one object of a command that takes several: the others go on, each is reported. */
export interface Outcome<T = string> {
  /** What the user typed. */
  input: string
  value?: T
  error?: Error
}
