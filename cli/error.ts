/** Why a module cannot be linked, as a sentence for its author. */
export class LinkError extends Error {
  override name = 'LinkError'
}
