//! Tells the linker which of granary's libraries to take, and where it is: beside this crate in the npm package.

fn main() {
    let variable = |name| std::env::var(name).unwrap();
    if variable("CARGO_CFG_TARGET_ARCH") != "wasm32" {
        return;
    }
    let library = match variable("CARGO_CFG_TARGET_OS").as_str() {
        "wasi" => "granary",
        "emscripten" => "granary-emscripten",
        _ => "granary-prefixed", // without a C library, malloc is the program's own
    };
    let folder = format!("{}/../../build/embed", variable("CARGO_MANIFEST_DIR"));
    println!("cargo:rustc-link-search=native={folder}");
    println!("cargo:rustc-link-lib=static={library}");
    println!("cargo:rerun-if-changed={folder}/lib{library}.a");
}
