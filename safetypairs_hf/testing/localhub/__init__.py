"""A Hub server on this machine, for tests, demos, and rehearsing a release in an air-gapped lab.

    from safetypairs_hf.testing.localhub.server import serve

    with serve("./hub", users={"alice": "hf_alice"}, orgs={"lab": ["alice"]}) as server:
        HfApi(server.endpoint, token="hf_alice").create_repo("lab/pairs", repo_type="dataset")

Real clients work with it unchanged when HF_ENDPOINT is its address. It listens on 127.0.0.1 only, and is not made to
be put on a network.
"""
