//! How messages are buffered on a stream: as tonic does it, with smaller buffers to begin with.
//!
//! A stream keeps its two buffers as long as it lives, and an agent's stream lives for months and
//! carries a few hundred bytes at a time. With tonic's 8 KiB each an idle connection cost a
//! coordinator 57 KiB, so it is 50 (1,000 agents, one run each). Larger messages grow them as before.

use std::marker::PhantomData;

use prost::Message;
use tonic::codec::{BufferSettings, Codec};
use tonic_prost::ProstCodec;

/// A heartbeat with its frame has about 10 bytes, an assignment about 300.
const BUFFER_BYTES: usize = 512;
/// tonic's own: how much may gather before it is handed to the connection.
const YIELD_BYTES: usize = 32 << 10;

/// The codec of every service; see the module.
#[derive(Debug, Clone)]
pub struct SmallBuffers<T, U> {
    messages: PhantomData<(T, U)>,
}

impl<T, U> Default for SmallBuffers<T, U> {
    fn default() -> Self {
        Self { messages: PhantomData }
    }
}

fn settings() -> BufferSettings {
    BufferSettings::new(BUFFER_BYTES, YIELD_BYTES)
}

impl<T, U> Codec for SmallBuffers<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = <ProstCodec<T, U> as Codec>::Encoder;
    type Decoder = <ProstCodec<T, U> as Codec>::Decoder;

    fn encoder(&mut self) -> Self::Encoder {
        ProstCodec::<T, U>::raw_encoder(settings())
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstCodec::<T, U>::raw_decoder(settings())
    }
}
