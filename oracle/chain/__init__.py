"""Chain adapters: reader, event decoding, poster, devnet, ABIs and deployments."""
