//! The channels that the threads are joined by, behind a trait: the program runs on crossbeam's, and the
//! tests run the same code on a model checker's.

/// The other end is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

/// The end that sends.
pub trait Sender<T>: Clone + Send + 'static {
    /// Sends, and waits while the channel is full.
    fn send(&self, value: T) -> Result<(), Gone>;
    /// Sends unless the channel is full or nobody listens; then the value is dropped.
    fn offer(&self, value: T);
}

/// The end that receives.
pub trait Receiver<T>: Send + 'static {
    /// The next value; waits for it.
    fn recv(&self) -> Result<T, Gone>;
    /// The next value, if it is there.
    fn poll(&self) -> Option<T>;
}

/// A kind of channel.
pub trait Fabric: 'static {
    /// Its end that sends.
    type Sender<T: Send + 'static>: Sender<T>;
    /// Its end that receives.
    type Receiver<T: Send + 'static>: Receiver<T>;
    /// A channel with room for `capacity` values.
    fn channel<T: Send + 'static>(capacity: usize) -> (Self::Sender<T>, Self::Receiver<T>);
}

/// crossbeam's channels.
pub struct Crossbeam;

impl Fabric for Crossbeam {
    type Sender<T: Send + 'static> = crossbeam_channel::Sender<T>;
    type Receiver<T: Send + 'static> = crossbeam_channel::Receiver<T>;

    fn channel<T: Send + 'static>(capacity: usize) -> (Self::Sender<T>, Self::Receiver<T>) {
        crossbeam_channel::bounded(capacity)
    }
}

impl<T: Send + 'static> Sender<T> for crossbeam_channel::Sender<T> {
    fn send(&self, value: T) -> Result<(), Gone> {
        Self::send(self, value).map_err(|_| Gone)
    }

    fn offer(&self, value: T) {
        let _ = self.try_send(value);
    }
}

impl<T: Send + 'static> Receiver<T> for crossbeam_channel::Receiver<T> {
    fn recv(&self) -> Result<T, Gone> {
        Self::recv(self).map_err(|_| Gone)
    }

    fn poll(&self) -> Option<T> {
        self.try_recv().ok()
    }
}
