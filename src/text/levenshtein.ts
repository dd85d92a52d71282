/** "Did you mean …?" */

/** Smallest number of insertions, deletions and substitutions from one word to the other. */
export function editDistance(from: string, to: string): number {
  let previous = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (let row = 1; row <= from.length; row++) {
    const current = [row]
    for (let column = 1; column <= to.length; column++) {
      const substitution = (previous[column - 1] ?? 0) + (from[row - 1] === to[column - 1] ? 0 : 1)
      current.push(Math.min(substitution, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1))
    }
    previous = current
  }
  return previous[to.length] ?? 0
}

/** Those of `candidates` that are a typing error away from `word`, nearest first, at most `limit`. */
export function suggestSimilar(word: string, candidates: Iterable<string>, limit = 3): string[] {
  const tolerance = word.length <= 3 ? 1 : word.length <= 6 ? 2 : 3
  const lower = word.toLowerCase()
  const near: { candidate: string; distance: number }[] = []
  for (const candidate of new Set(candidates)) {
    // A difference in length alone already costs that many edits.
    if (Math.abs(candidate.length - word.length) > tolerance) continue
    const distance = editDistance(lower, candidate.toLowerCase())
    if (distance <= tolerance && distance < candidate.length) near.push({ candidate, distance })
  }
  near.sort((a, b) => a.distance - b.distance || (a.candidate < b.candidate ? -1 : 1))
  return near.slice(0, limit).map(({ candidate }) => candidate)
}
