/** The tree of a template, after Go's text/template/parse. `at` is an offset into the source. */

export type Node =
  | { kind: 'text'; text: string }
  | { kind: 'action'; pipe: Pipe }
  | { kind: 'if' | 'with'; pipe: Pipe; body: Node[]; otherwise: Node[]; at: number }
  | { kind: 'range'; pipe: Pipe; body: Node[]; otherwise: Node[]; at: number }
  | { kind: 'break' | 'continue' }
  | { kind: 'template'; name: string; pipe: Pipe | undefined; at: number }

export interface Pipe {
  /** Names with their `$`, at most two (range). */
  variables: string[]
  isAssignment: boolean
  commands: Command[]
  at: number
}

/** An operand and its arguments. */
export interface Command {
  operands: Operand[]
  at: number
}

export type Operand =
  | { kind: 'dot'; at: number }
  | { kind: 'nil'; at: number }
  | { kind: 'literal'; value: string | number | boolean; at: number }
  | { kind: 'function'; name: string; at: number }
  /** `.A.B` */
  | { kind: 'field'; names: string[]; at: number }
  /** `$x.A.B` */
  | { kind: 'variable'; name: string; names: string[]; at: number }
  /** `(pipeline).A.B` */
  | { kind: 'pipe'; pipe: Pipe; names: string[]; at: number }

export interface Template {
  name: string
  source: string
  root: Node[]
  definitions: Map<string, Node[]>
}
