/**
 * Builders of flag and argument definitions in oclif's own shape, podman's type words in `helpValue`.
 * oclif's builders (`Flags.string()` …) give the same objects, but loading them costs 9 ms under Bun.
 */
import type { Arg, BooleanFlag, OptionFlag } from '@oclif/core/interfaces'

/** What a shell completes for a value: names of objects from the store, or nothing special. */
export type CompletionKind =
  | 'containers' | 'running-containers' | 'stopped-containers' | 'paused-containers' | 'pausable-containers'
  | 'images' | 'containers-and-images' | 'volumes' | 'networks' | 'files' | 'directories' | 'commands' | 'none'

export type Completion = CompletionKind | readonly string[]

type Char = NonNullable<BooleanFlag<boolean>['char']>

interface Common {
  char?: Char
  aliases?: string[]
  hidden?: boolean
  /** Or words to offer, where others are refused in podman's terms, or also taken. */
  complete?: Completion
  /** Fixed words a value is one of; others are refused. */
  options?: readonly string[]
  /** Type word of the help text. */
  value?: string
}

/** Completion kinds by definition object: oclif's shape has no place for them. */
const completions = new WeakMap<object, Completion>()

export function completionOf(definition: object): Completion | undefined {
  return completions.get(definition)
}

function remember<T extends object>(definition: T, complete: Completion | undefined): T {
  if (complete) completions.set(definition, complete)
  return definition
}

/** The name is filled in by the table key (oclif does the same). */
export function bool(summary: string, options: Pick<Common, 'char' | 'aliases' | 'hidden'> & { default?: boolean } = {}): BooleanFlag<boolean> {
  return { name: '', type: 'boolean', allowNo: false, summary, parse: async (value) => value, ...options }
}

function option<T>(summary: string, options: Common, extra: Partial<OptionFlag<T>>): OptionFlag<T> {
  const { complete, value, ...rest } = options
  const definition = { name: '', type: 'option', input: [], summary, helpValue: value ?? 'string', ...rest, ...extra } as unknown as OptionFlag<T>
  return remember(definition, complete)
}

/** One word; the last one given counts. Undefined when absent. */
export function text(summary: string, options: Common = {}): OptionFlag<string | undefined> {
  return option(summary, options, {})
}

/** One word with a default that the help names. */
export function textOr(fallback: string, summary: string, options: Common = {}): OptionFlag<string> {
  return option<string>(summary, options, { default: fallback })
}

/** A whole number; `uint` refuses negative ones. */
export function integer(summary: string, options: Common & { default?: number } = {}): OptionFlag<number | undefined> {
  return option(summary, { value: 'int', ...options }, {})
}

export function uint(summary: string, options: Common & { default?: number } = {}): OptionFlag<number | undefined> {
  return option(summary, { value: 'uint', ...options }, {})
}

/** May be repeated; each word is kept whole (podman's stringArray). */
export function list(summary: string, options: Common = {}): OptionFlag<string[]> {
  return option<string[]>(summary, { value: 'stringArray', ...options }, { multiple: true, multipleNonGreedy: true, default: [] })
}

/** May be repeated; each word is split at commas, quotes protect (podman's strings). */
export function csv(summary: string, options: Common = {}): OptionFlag<string[]> {
  return option<string[]>(summary, { value: 'strings', ...options }, { multiple: true, multipleNonGreedy: true, delimiter: ',', default: [] })
}

interface ArgOptions { required?: boolean; complete?: Completion }

/** One positional word. */
export function arg(name: string, description: string, options: ArgOptions = {}): Arg<string | undefined> {
  return positional<string | undefined>(name, description, options, false)
}

/** All remaining positional words; `required` asks for at least one. */
export function args(name: string, description: string, options: ArgOptions = {}): Arg<string[]> {
  return positional<string[]>(name, description, options, true)
}

function positional<T>(name: string, description: string, { complete, ...rest }: ArgOptions, multiple: boolean): Arg<T> {
  const definition = { name, description, input: [], ignoreStdin: true, multiple, parse: async (value: string) => value, ...rest } as unknown as Arg<T>
  return remember(definition, complete)
}
