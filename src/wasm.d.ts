/** The file `granary/granary.wasm` as bundlers that compile modules import it. */
declare const module: WebAssembly.Module
export default module
