import path from 'node:path'

/** A path that the user gave: npm runs its scripts in the package's folder, whatever folder it was called in. */
export function userPath(file: string): string {
  return path.resolve(process.env.INIT_CWD ?? process.cwd(), file)
}
