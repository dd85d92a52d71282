/** Our templates against Go's, with podman as the Go program: the same text, the same result or both an error. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { renderTemplate } from '../../src/text/go-template/render-template.ts'

const hasPodman = spawnSync('podman', ['--version']).status === 0

/** None needs data, so that podman's own does not matter. */
const templates = [
  '{{print 1 2 "a" "b" 3 true false}}', '{{println 1.5 2 "x"}}', '{{printf "%5d|%-5d|%05d|%x|%X|%o|%b|%c|%q|%U" 42 42 42 255 255 8 5 65 "a\\"b" 65}}',
  '{{printf "%v %s %t %.3f %8.2f|%e|%g" "a" "b" true 1.23456 3.14159 12345.678 0.5}}', '{{printf "%d" "x"}}', '{{printf "%s"}}', '{{printf "x" 1}}', '{{printf "%s" 5}}',
  '{{printf "%6.2f|%+d|% d|%#x|%-8s|%.2s" 1.5 3 4 255 "ab" "abcdef"}}', '{{printf "%q" 65}}', '{{printf "%T %T %T" 1 "a" 1.5}}', '{{printf "%!"}}', '{{printf "%z" 1}}',
  '{{1e3}} {{1.5}} {{0x1f}} {{0b101}} {{0o17}} {{1_000}} {{-7}} {{+7}}', "{{'a'}} {{'\\n'}} {{'é'}}", '{{1e21}} {{1e20}} {{0.0001}} {{0.00001}} {{123456789.5}}',
  '{{`raw`}} {{"tab\\tq\\"\\\\ \\x41 \\u00e9 \\101"}}', '{{true}} {{false}}', '{{nil}}', '{{html "<&\'\\">"}} {{js "a\'b=<>&\\n"}} {{urlquery "a b&c/d?e!*()~"}}',
  '{{eq 1 1}} {{eq 1 2 1}} {{ne "a" "b"}} {{lt 1 2}} {{le "a" "b"}} {{gt 1.5 0.5}} {{ge 1 1}}', '{{eq 1 "a"}}', '{{lt true false}}', '{{eq true true}}',
  '{{and 1 0 2}} {{or 0 "" "x"}} {{not 0}} {{and true}} {{or false}}', '{{and}}', '{{not 1 2}}', '{{len "héllo"}} {{len 5}}', '{{len "abc"}}', '{{index "abc" 1}}', '{{index "abc" 9}}',
  '{{slice "abcdef" 1 3}} {{slice "abcdef" 2}} {{slice "abc"}}', '{{slice "abc" 2 1}}', '{{"a" | printf "%s-%s" "b"}}', '{{("a" | upper) | lower}}', '{{(("x"))}}',
  '{{$x := 1}}{{$x}}{{$x = 2}}{{$x}}', '{{$x := 1}}{{if true}}{{$x = 2}}{{$y := 3}}{{$y}}{{end}}{{$x}}', '{{if true}}{{$y := 3}}{{end}}{{$y}}', '{{$x}}', '{{with "a"}}{{.}}{{else}}b{{end}}',
  '{{with ""}}{{.}}{{else}}b{{end}}', '{{if 0}}a{{else if ""}}b{{else}}c{{end}}', '{{if 0.0}}a{{else}}b{{end}}', '{{range split "a,b,c" ","}}[{{.}}]{{end}}', '{{range $i, $v := split "a,b" ","}}{{$i}}{{$v}}{{end}}',
  '{{range split "a,b,c" ","}}{{if eq . "b"}}{{break}}{{end}}{{.}}{{end}}', '{{range split "a,b,c" ","}}{{if eq . "b"}}{{continue}}{{end}}{{.}}{{end}}',
  '{{define "t"}}<{{.}}>{{end}}{{template "t" "x"}}', '{{template "t"}}', '{{block "b" 5}}({{.}}){{end}}', '{{define "t"}}{{$}}{{end}}{{template "t" 3}}',
  'a  {{- "b" -}}  c', 'a {{/* c */}} b', 'a {{- /* c */ -}} b', '{{- 3 -}}', '{{ -3 }}', '{{-3}}', '{{split "a,b" ","}} {{join (split "a,b" ",") "-"}}', '{{json (split "a,b" ",")}} {{json "<a>"}} {{json 1.5}}',
  '{{pad "a" 2 3}}|{{pad "" 2 3}}|{{truncate "hello" 3}}|{{truncate "hi" 9}}', '{{upper "aé"}} {{lower "AÉ"}} {{title "hello wORLD it\'s"}}', '{{index (split "a,b" ",") 1}}', '{{index (split "a,b" ",") 5}}',
  '{{nosuch}}', '{{', '}}', '{{}}', '{{end}}', '{{else}}', '{{if}}x{{end}}', '{{if 1}}', '{{if 1}}a{{else}}b{{else}}c{{end}}', '{{"a}}', '{{`a}}', '{{(1}}', '{{1)}}', '{{1 2}}', '{{"a" 1}}',
  '{{1 | 2}}', '{{| 1}}', '{{.}x', '{{break}}', '{{define "x"}}', '{{template x}}', '{{template "x" 1 2}}', '{{print 1"a"}}', '{{/* x }}',
  '{{print (print 1) (print 2)}}', '{{print nil}}', '{{printf "%v" nil}}', '{{$a := 1}}{{$b := $a}}{{print $a $b}}', '{{$x, $y := 1}}', '{{print "a"|print}}', '{{.Foo.}}', '{{print .5}}', '{{print 1.}}', '{{print 0777}}',
]

for (const template of templates) {
  test(template, { skip: !hasPodman && 'podman is not installed' }, () => {
    const go = spawnSync('podman', ['version', '--format', template], { encoding: 'utf8' })
    let ours: string | undefined
    let message = ''
    try {
      ours = renderTemplate(template, {})
    } catch (error) {
      message = String(error)
    }
    if (go.status !== 0) assert.equal(ours, undefined, `Go fails: ${go.stderr}`)
    // podman ends its output with one newline more, or none, from version to version.
    else assert.equal(ours?.trimEnd(), go.stdout.trimEnd(), message)
  })
}
