//! `#[derive(Shareable)]` for `farend-shm`, which re-exports it.
#![deny(unsafe_code)]

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Data, DeriveInput, Error, Fields, Result, parse_macro_input, spanned::Spanned};

/// Says that a structure can lie in memory that several processes map: all of its fields
/// can, and their places are fixed.
///
/// The structure has `#[repr(C)]` and named fields, no type parameters, and each field is
/// `Shareable`. What its layout is, field by field, is told by a hash, so that another
/// structure under the same name is refused.
#[proc_macro_derive(Shareable)]
pub fn shareable(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(&input).unwrap_or_else(Error::into_compile_error).into()
}

fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let Data::Struct(structure) = &input.data else {
        return Err(Error::new(input.span(), "only a structure can be shared"));
    };
    let Fields::Named(fields) = &structure.fields else {
        return Err(Error::new(input.span(), "the fields of a shared structure have names"));
    };
    if !input.generics.params.is_empty() {
        let message = "a shared structure has no type parameters";
        return Err(Error::new(input.generics.span(), message));
    }
    if !is_repr_c(input)? {
        let message = "a shared structure has its fields in one order in all programs: \
                       add #[repr(C)]";
        return Err(Error::new(input.span(), message));
    }
    let name = &input.ident;
    let check = format_ident!("assert_shareable");
    let parts = fields.named.iter().map(|field| {
        let (name, kind) = (&field.ident, &field.ty);
        quote! {
            .field(
                ::core::stringify!(#name),
                ::core::mem::offset_of!(Self, #name),
                <#kind as ::farend_shm::Shareable>::LAYOUT,
            )
        }
    });
    let kinds = fields.named.iter().map(|field| &field.ty);
    let lock_kinds = kinds.clone();
    Ok(quote! {
        const _: () = {
            const fn #check<T: ::farend_shm::Shareable>() {}
            #(#check::<#kinds>();)*
        };
        // SAFETY: each field can lie in shared memory, as checked above; `repr(C)` fixes
        // their places.
        #[allow(unsafe_code)]
        #[automatically_derived]
        unsafe impl ::farend_shm::Shareable for #name {
            const LAYOUT: ::farend_shm::TypeLayout = ::farend_shm::TypeLayout::of::<Self>(
                ::core::stringify!(#name),
            )
            #(#parts)*;

            fn realm() -> ::core::result::Result<u64, ::farend_shm::NoOwner> {
                ::farend_shm::realm_of([
                    #(<#lock_kinds as ::farend_shm::Shareable>::realm(),)*
                ])
            }
        }
    })
}

/// Whether there is `#[repr(C)]`, perhaps with an alignment; not `packed`.
fn is_repr_c(input: &DeriveInput) -> Result<bool> {
    let (mut is_c, mut is_packed) = (false, false);
    for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("repr")) {
        attribute.parse_nested_meta(|meta| {
            is_c |= meta.path.is_ident("C");
            is_packed |= meta.path.is_ident("packed");
            if meta.input.peek(syn::token::Paren) {
                let inside;
                syn::parenthesized!(inside in meta.input);
                let _alignment: TokenStream = inside.parse()?;
            }
            Ok(())
        })?;
    }
    Ok(is_c && !is_packed)
}
