//! Tells the linker where libgranary.a is: beside this crate in the npm package.

fn main() {
    let crate_folder = std::env::var("CARGO_MANIFEST_DIR").unwrap();
    println!("cargo:rustc-link-search=native={crate_folder}/../../build/embed");
    println!("cargo:rerun-if-changed={crate_folder}/../../build/embed/libgranary.a");
}
