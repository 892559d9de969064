# SPDX-License-Identifier: MIT
"""Two short recordings, their magnitudes and mel spectrograms, and mel filterbanks."""
import wave

import librosa
import numpy as np
import torchaudio

import common

RATE, N_FFT, HOP, MELS = 22050, 1024, 256, 80
# Clips of LJ Speech (public domain), and which samples: not a whole number of frames.
STRETCHES = {"slaney": ("LJ001-0002", 13000, 11025), "htk": ("LJ001-0004", 30000, 9001)}


def recording(folder, clip, begin, samples):
    with wave.open(str(folder / "ljspeech" / f"{clip}.wav")) as file:
        assert file.getframerate() == RATE and file.getnchannels() == 1
        data = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    return data[begin:begin + samples].astype(np.float64) / 32768


def log(mel):
    return np.log(np.maximum(mel, 1e-5))


def htk(n_fft, rate, mels, low, high, norm):
    """As torchaudio makes it, [mels][bins]."""
    bank = torchaudio.functional.melscale_fbanks(n_fft // 2 + 1, low, high, mels, rate, norm, "htk")
    return bank.double().numpy().T


def slaney(n_fft, rate, mels, low, high, norm):
    return librosa.filters.mel(sr=rate, n_fft=n_fft, n_mels=mels, fmin=low, fmax=high, norm=norm,
                               dtype=np.float64)


def write_all(out, arguments):
    banks = {"slaney": slaney(N_FFT, RATE, MELS, 0.0, None, "slaney"),
             "htk": htk(N_FFT, RATE, MELS, 40.0, 7600.0, None)}
    arrays = {
        "bank_slaney": slaney(512, 16000, 24, 50.0, 7600.0, "slaney"),
        "bank_slaney_peaks": slaney(300, 22050, 20, 0.0, None, None),
        "bank_htk": htk(512, 16000, 24, 20.0, 8000.0, "slaney"),
    }
    for scale, stretch in STRETCHES.items():
        samples = recording(arguments.voices, *stretch)
        padded = np.pad(samples, (N_FFT - HOP) // 2, mode="reflect")
        spectrum = librosa.stft(padded, n_fft=N_FFT, hop_length=HOP, window="hann", center=False)
        magnitudes = np.sqrt(np.abs(spectrum) ** 2 + 1e-6)
        arrays |= {f"wave_{scale}": samples, f"magnitudes_{scale}": magnitudes.T,
                   f"mel_{scale}": log(banks[scale] @ magnitudes).T}
    common.save(out / "spectrogram", **arrays)
