use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use tallow::candle::{Error, Result, bail};

/// What the first rank has to tell the others.
pub(crate) type Token = [u8; 128];

const PATIENCE: Duration = Duration::from_secs(60);

/// Gives each of `world` ranks the token that the first of them has, which waits at the address `at` for the
/// others.
pub(crate) fn meet(at: &str, world: usize, own: Option<Token>) -> Result<Token> {
    let deadline = Instant::now() + PATIENCE;
    match own {
        Some(own) => hand_out(at, world - 1, &own, deadline).map(|()| own),
        None => fetch(at, deadline),
    }
}

fn hand_out(at: &str, others: usize, own: &Token, deadline: Instant) -> Result<()> {
    if others == 0 {
        return Ok(());
    }
    let listener = TcpListener::bind(at).map_err(|e| failed(at, &e))?;
    listener.set_nonblocking(true)?;
    let mut told = 0;
    while told < others {
        match listener.accept() {
            Ok((mut stream, _)) => {
                stream.set_nonblocking(false)?;
                stream.write_all(own)?;
                told += 1;
            }
            Err(e) if e.kind() != ErrorKind::WouldBlock => return Err(failed(at, &e)),
            Err(_) if Instant::now() > deadline => {
                bail!("{told} of {others} other ranks came to {at} within {PATIENCE:?}")
            }
            Err(_) => thread::sleep(Duration::from_millis(10)),
        }
    }
    Ok(())
}

fn fetch(at: &str, deadline: Instant) -> Result<Token> {
    loop {
        match TcpStream::connect(at) {
            Ok(mut stream) => {
                let mut token = [0; size_of::<Token>()];
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.read_exact(&mut token).map_err(|e| failed(at, &e))?;
                return Ok(token);
            }
            // The first rank may be late.
            Err(e) if Instant::now() > deadline => return Err(failed(at, &e)),
            Err(_) => thread::sleep(Duration::from_millis(50)),
        }
    }
}

fn failed(at: &str, error: &std::io::Error) -> Error {
    Error::msg(format!(
        "the ranks cannot meet at {at}: {error}; name an address of rank 0's machine"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rank_has_the_token_of_the_first() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let token = std::array::from_fn(|i| i as u8);
        thread::scope(|scope| {
            let others: Vec<_> =
                (1..4).map(|_| scope.spawn(|| meet(&free, 4, None).unwrap())).collect();
            assert_eq!(meet(&free, 4, Some(token)).unwrap(), token);
            for other in others {
                assert_eq!(other.join().unwrap(), token);
            }
        });
    }

    #[test]
    fn a_rank_alone_waits_for_nobody() {
        assert_eq!(meet("nowhere:0", 1, Some([7; 128])).unwrap(), [7; 128]);
    }
}
