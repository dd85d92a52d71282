import { TpodError } from '../../errors/tpod-error.ts'

const timePattern = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/
const months = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December']
const days = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday']
const two = (value: number): string => String(value).padStart(2, '0')

/** The words of a layout, longest first: Go's reference time is Mon Jan 2 15:04:05 MST 2006. */
const layoutPattern = /2006|January|Jan|Monday|Mon|MST|Z07:00|-07:00|-0700|[.,](?:0{1,9}|9{1,9})(?!\d)|01|02|03|04|05|06|15|PM|pm|_2|1|2|3|4|5/g

/**
 * A Go time.Time in a template: prints as Go's `2026-01-31 10:00:00.5 +0000 UTC`, has the methods that templates use
 * (`{{.Created.Unix}}`, `{{.Created.Format "2006-01-02"}}`), and is its RFC 3339 text in JSON.
 */
export class GoTime {
  readonly #text: string
  readonly #parts: readonly string[]

  private constructor(text: string, parts: readonly string[]) {
    this.#text = text
    this.#parts = parts
  }

  /** Undefined for what is no RFC 3339 time. */
  static parse(text: string): GoTime | undefined {
    const match = timePattern.exec(text)
    return match === null || Number.isNaN(Date.parse(text)) ? undefined : new GoTime(text, match.map((part) => part ?? ''))
  }

  toString(): string {
    const fraction = this.#part(7).replace(/0+$/, '')
    return this.Format(`2006-01-02 15:04:05${fraction === '' ? '' : `.${'0'.repeat(fraction.length)}`} -0700 MST`)
  }

  toJSON(): string { return this.#text }
  String(): string { return this.toString() }
  Unix(): number { return Math.floor(Date.parse(this.#text) / 1000) }
  UnixMilli(): number { return Date.parse(this.#text) }
  UnixNano(): bigint { return BigInt(this.Unix()) * 1_000_000_000n + BigInt(this.#part(7).padEnd(9, '0')) }
  IsZero(): boolean { return this.Unix() === Date.parse('0001-01-01T00:00:00Z') / 1000 }
  UTC(): GoTime {
    const [at, fraction] = [new Date(this.Unix() * 1000).toISOString().slice(0, 19), this.#part(7)]
    return GoTime.parse(`${at}${fraction === '' ? '' : `.${fraction}`}Z`) as GoTime
  }

  Year(): number { return Number(this.#part(1)) }
  Day(): number { return Number(this.#part(3)) }
  Hour(): number { return Number(this.#part(4)) }
  Minute(): number { return Number(this.#part(5)) }
  Second(): number { return Number(this.#part(6)) }

  /** By Go's layouts. */
  Format(layout: unknown): string {
    if (typeof layout !== 'string') throw new TpodError('BAD_ARGUMENTS', 'Format wants a layout, such as "2006-01-02"')
    return layout.replaceAll(layoutPattern, (word) => this.#word(word))
  }

  #part(at: number): string {
    return this.#parts[at] ?? ''
  }

  #word(word: string): string {
    const [month, hour, zone] = [Number(this.#part(2)), this.Hour(), this.#part(8)]
    if (/^[.,]/.test(word)) {
      const digits = this.#part(7).padEnd(9, '0').slice(0, word.length - 1)
      const shown = word[1] === '9' ? digits.replace(/0+$/, '') : digits
      return shown === '' ? '' : `${word[0]}${shown}`
    }
    switch (word) {
      case '2006': return this.#part(1)
      case '06': return this.#part(1).slice(2)
      case 'January': return months[month - 1] as string
      case 'Jan': return (months[month - 1] as string).slice(0, 3)
      case '01': return this.#part(2)
      case '1': return String(month)
      case 'Monday': return this.#weekday()
      case 'Mon': return this.#weekday().slice(0, 3)
      case '02': return this.#part(3)
      case '_2': return String(this.Day()).padStart(2)
      case '2': return String(this.Day())
      case '15': return this.#part(4)
      case '03': return two(hour % 12 || 12)
      case '3': return String(hour % 12 || 12)
      case '04': return this.#part(5)
      case '4': return String(this.Minute())
      case '05': return this.#part(6)
      case '5': return String(this.Second())
      case 'PM': return hour < 12 ? 'AM' : 'PM'
      case 'pm': return hour < 12 ? 'am' : 'pm'
      case 'MST': return zone === 'Z' ? 'UTC' : zone.replace(':', '')
      case 'Z07:00': return zone
      case '-07:00': return zone === 'Z' ? '+00:00' : zone
      default: return zone === 'Z' ? '+0000' : zone.replace(':', '')
    }
  }

  #weekday(): string {
    return days[new Date(`${this.#text.slice(0, 10)}T00:00:00Z`).getUTCDay()] as string
  }
}
