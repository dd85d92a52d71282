/** Names for containers that were given none: `quiet_heron`. */

const adjectives = (
  'able agile airy alert amber ample azure bold brave breezy bright brisk calm candid careful cheery civil clear clever cosy crisp ' +
  'curious dapper daring deft dewy eager early earnest easy fair fancy fearless fine fleet fond frank free fresh gentle glad ' +
  'golden good graceful grand green handy happy hardy hazel hearty helpful honest humble ideal jolly jovial keen kind lively ' +
  'lucid lucky mellow merry mighty mild modest neat nimble noble open patient placid plucky polite proud quick quiet ready ' +
  'rosy serene sharp silent silver smart smooth snug sober spry steady stout strong sunny sure swift tender tidy tranquil true ' +
  'upbeat vivid warm wise witty young zesty'
).split(' ')

const nouns = (
  'acorn alder anchor aspen avocet badger barley beacon beaver birch bison bramble breeze brook canyon cedar cello cherry clover ' +
  'comet compass coral cove crane creek cricket curlew dahlia daisy delta dolphin dune eagle elder ember falcon fennel fern ' +
  'finch fjord flint fox garnet gecko glacier goose grove gull harbor hare harp hawk hazelnut heath heron hill holly ibis iris ' +
  'island ivy jackdaw juniper kelp kestrel kiwi lagoon lantern larch lark laurel lemur lichen linden lotus lynx magpie maple ' +
  'marten meadow meteor mint moss nebula nettle newt oak oasis olive orchid osprey otter owl pebble pelican pine plover poppy ' +
  'puffin quartz quince raven reed ridge river robin rowan sage salmon sequoia shore sparrow spruce stork summit swan thistle ' +
  'thrush tulip valley violet walnut willow wren yarrow yew zephyr'
).split(' ')

function pick(words: readonly string[], random: () => number): string {
  return words[Math.floor(random() * words.length)] ?? ''
}

/**
 * A name that `isTaken` does not know. After some attempts a number is appended, so that it ends on a host with
 * very many containers.
 */
export function generateName(isTaken: (name: string) => boolean = () => false, random: () => number = Math.random): string {
  for (let attempt = 0; ; attempt++) {
    const suffix = attempt < 8 ? '' : String(Math.floor(random() * 10 ** Math.min(attempt - 6, 9)))
    const name = `${pick(adjectives, random)}_${pick(nouns, random)}${suffix}`
    if (!isTaken(name)) return name
  }
}
