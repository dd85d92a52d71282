import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { TpodError } from '../../../../src/errors/tpod-error.ts'
import { compileTemplate, renderTemplate, unescapeFormat } from '../../../../src/text/go-template/render-template.ts'

class Reporter {
  ID = 'abc'
  get Getter(): string {
    return `${this.ID}!`
  }
  Label(name: string): string {
    return `<${name}>`
  }
}

const data = {
  ID: 'abc', Names: ['a', 'b'], N: 3, F: 1.5, Big: 12345678901234567890n, T: true, Null: null, Empty: [],
  Labels: { 'io.x': '1', b: '2' }, Ports: { '80/tcp': [{ HostIp: '', HostPort: '8080' }], '90/tcp': null },
  State: { Pid: 5, Status: 'running' }, List: [{ ID: 1 }, { ID: 2 }, { ID: 3 }],
  Reporter: new Reporter(), Size: () => '3MB', Add: (a: number, b: number) => a + b,
}

const render = (source: string): string => renderTemplate(source, data, { name: 'ps', typeName: 'psReporter' })

/** [template, result] */
const cases: [string, string][] = [
  // fields, values
  ['{{.ID}} {{ .State.Pid }} {{.Labels.b}} {{.Labels.none}}', 'abc 5 2 <no value>'],
  ['{{.Labels}} {{.Names}} {{.State}} {{.T}} {{.F}} {{.Big}} {{.Empty}}', 'map[b:2 io.x:1] [a b] {5 running} true 1.5 12345678901234567890 []'],
  ['{{.Size}} {{.Add 1 2}} {{.Reporter.Label "x"}} {{.Reporter.Getter}} {{"y" | .Reporter.Label}}', '3MB 3 <x> abc! <y>'],
  ['{{(index .Ports "80/tcp" 0).HostPort}} {{(index (index .Ports "80/tcp") 0).HostPort}}', '8080 8080'],
  ['{{.Null}}', '<nil>'],
  // literals
  ['{{"a\\t}}\\u00e9"}}{{`raw\\n`}} {{\'a\'}} {{0x1F}} {{1_000}} {{-2.5e3}} {{true}}', 'a\t}}éraw\\n 97 31 1000 -2500 true'],
  // trimming and comments
  ['a {{- 1 -}} b', 'a1b'],
  ['a\n{{- /* note }} */ -}}\n b{{/* x */}}c', 'abc'],
  ['{{- -3}}', '-3'],
  // control
  ['{{if eq .N 3}}three{{else}}other{{end}}', 'three'],
  ['{{if .Null}}a{{else if .Empty}}b{{else if .T}}c{{else}}d{{end}}', 'c'],
  ['{{range .Names}}[{{.}}]{{else}}none{{end}}{{range .Empty}}x{{else}}none{{end}}', '[a][b]none'],
  ['{{range $i, $e := .Names}}{{$i}}={{$e}};{{end}}', '0=a;1=b;'],
  ['{{range $k, $v := .Labels}}{{$k}}={{$v}};{{end}}', 'b=2;io.x=1;'],
  ['{{range .List}}{{if eq .ID 1}}{{continue}}{{end}}{{if eq .ID 3}}{{break}}{{end}}{{.ID}}{{end}}', '2'],
  ['{{range 3}}{{.}}{{end}}', '012'],
  ['{{with .State}}{{.Pid}}{{$.ID}}{{end}}{{with .Null}}x{{else}}y{{end}}', '5abcy'],
  ['{{with $s := .State}}{{$s.Status}}{{end}}', 'running'],
  ['{{$x := 1}}{{range .Names}}{{$x = .}}{{end}}{{$x}}', 'b'],
  ['{{$x := 1}}{{if true}}{{$x := 2}}{{$x}}{{end}}{{$x}}', '21'],
  ['{{define "t"}}<{{.}}{{$}}>{{end}}{{template "t" .ID}}{{block "u" .N}}({{.}}){{end}}', '<abcabc>(3)'],
  // pipelines and functions
  ['{{.ID | upper | printf "%s-%s" "x"}}', 'x-ABC'],
  ['{{and .T .N}} {{or .Null .ID}} {{not .T}} {{or .T (index .Names 99)}}', '3 abc false true'],
  ['{{len .Names}} {{len "é"}} {{len .Labels}} {{slice .ID 1 2}} {{slice .Names 1}}', '2 2 2 b [b]'],
  ['{{index .Labels "io.x"}}|{{index .Labels "none"}}|{{index .List 1}}', '1||{2}'],
  ['{{eq .N 1 2 3}} {{ne .ID "x"}} {{lt 1 2}} {{ge "a" "b"}} {{gt 2 1.5}} {{le 2 2}}', 'true true true false true true'],
  ['{{print 1 2 "a" "b" 3}}|{{println "x" 1}}', '1 2ab3|x 1\n'],
  ['{{html "<a href=\'x\'>"}} {{js "it\'s"}} {{urlquery "a b&c"}}', "&lt;a href=&#39;x&#39;&gt; it\\'s a+b%26c"],
  ['{{call .Add 2 3}}', '5'],
  // podman's and docker's functions
  ['{{json .Labels}} {{json .Names}} {{json "<>"}} {{json .Null}} {{json .State}}', '{"b":"2","io.x":"1"} ["a","b"] "<>" null {"Pid":5,"Status":"running"}'],
  ['{{lower "AbC"}} {{title "hello world"}} {{join .Names ","}} {{split "a,b" ","}} {{pad "a" 1 2}}|{{truncate "héllo" 3}}', 'abc Hello World a,b [a b]  a  |hél'],
  // printf
  ['{{printf "%5s|%-5s|%05d|%+d|%x|%X|%o|%b|%q|%t|%v|%%|%c" .ID .ID 42 7 255 255 8 5 .ID true .Names 65}}', '  abc|abc  |00042|+7|ff|FF|10|101|"abc"|true|[a b]|%|A'],
  ['{{printf "%.2f %6.1f %e %g %.2s %*d" 1.005 2.25 12345.678 0.5 "abc" 4 7}}', `${(1.005).toFixed(2)}    ${(2.25).toFixed(1)} 1.234568e+04 0.5 ab    7`],
  ['{{printf "%d %s" "x"}}{{printf "a" 1}}', '%!d(string=x) %!s(MISSING)a%!(EXTRA int=1)'],
]

for (const [source, expected] of cases) test(source, () => assert.equal(render(source), expected))

/** [template, message] */
const failures: [string, string][] = [
  ['{{.Foo}}', 'template: ps:1:2: executing "ps" at <.Foo>: can\'t evaluate field Foo in type psReporter'],
  ['x\n {{.State.Foo}}', 'template: ps:2:3: executing "ps" at <.State.Foo>: can\'t evaluate field Foo in type State'],
  ['{{.ID.Foo}}', 'template: ps:1:2: executing "ps" at <.ID.Foo>: can\'t evaluate field Foo in type string'],
  ['{{.constructor}}', 'template: ps:1:2: executing "ps" at <.constructor>: can\'t evaluate field constructor in type psReporter'],
  ['{{index .Names 5}}', 'template: ps:1:2: executing "ps" at <index>: error calling index: index out of range: 5'],
  ['{{lt 1 "a"}}', 'template: ps:1:2: executing "ps" at <lt>: error calling lt: incompatible types for comparison'],
  ['{{not}}', 'template: ps:1:2: executing "ps" at <not>: wrong number of args for not: want 1 got 0'],
  ['{{template "none"}}', 'template: ps:1:2: executing "ps" at <template>: template "none" not defined'],
  ['{{define "a"}}{{template "a"}}{{end}}{{template "a"}}', 'exceeded maximum template depth'],
  ['{{foo}}', 'template: ps:1: function "foo" not defined'],
  ['{{.ID', 'template: ps:1: unclosed action'],
  ['{{end}}', 'template: ps:1: unexpected {{end}}'],
  ['{{if .ID}}', 'template: ps:1: unexpected EOF in if'],
  ['{{if}}x{{end}}', 'template: ps:1: missing value for if'],
  ['{{$x}}', 'template: ps:1: undefined variable "$x"'],
  ['{{"abc}}', 'template: ps:1: unterminated quoted string'],
  ['{{break}}', 'template: ps:1: {{break}} outside {{range}}'],
  ['{{(1}}', 'template: ps:1: unclosed left paren'],
  ['{{.ID | 3}}', 'template: ps:1: non executable command in pipeline stage 2'],
  [`${'{{if true}}'.repeat(600)}`, 'template: ps:1: nested too deeply'],
]

for (const [source, message] of failures) {
  test(`fails: ${source.slice(0, 60)}`, () => {
    assert.throws(
      () => render(source),
      (error) => error instanceof TpodError && (assert.ok(error.message.includes(message), error.message), !error.message.includes('\n')),
    )
  })
}

test('functions of the caller, once compiled for many', () => {
  const compiled = compileTemplate('{{double .}}', { functions: { double: (value) => Number(value) * 2 } })
  assert.deepEqual([1, 2].map((value) => compiled.render(value)), ['2', '4'])
})

test('escapes of the command line, outside of actions only', () => {
  assert.equal(unescapeFormat('{{.A}}\\t{{printf "x\\n"}}\\n'), '{{.A}}\t{{printf "x\\n"}}\n')
})

test('whatever is written, the outcome is text or a one-line error of ours', () => {
  const fragment = fc.constantFrom(
    '{{', '}}', '{{-', ' -}}', '{{if ', '{{range ', '{{with ', '{{else}}', '{{else if ', '{{end}}', '{{define "a"}}', '{{template "a" .}}', '{{break}}', '.', '.ID', '.Names',
    '.Labels', '$', '$x', ' := ', ' = ', ', ', '|', '(', ')', ' ', '"s"', '`r`', "'c'", '1', '-2', 'index', 'len', 'printf', 'eq', 'json', 'nil', 'true', '/*', '*/', '\n', 'é', '\\', '"',
  )
  fc.assert(
    fc.property(fc.array(fragment, { maxLength: 24 }), (fragments) => {
      try {
        assert.equal(typeof render(fragments.join('')), 'string')
      } catch (error) {
        if (!(error instanceof TpodError)) throw error
        assert.match(error.code, /^TEMPLATE_(INVALID|FAILED)$/)
      }
    }),
    { numRuns: 3000 },
  )
})
