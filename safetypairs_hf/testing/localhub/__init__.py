"""A local Hub server, for tests, demos, and rehearsals of a release in an air-gapped lab.

    from safetypairs_hf.testing.localhub.server import serve

    with serve("./hub", users={"alice": "hf_alice"}, orgs={"lab": ["alice"]}) as server:
        HfApi(server.endpoint, token="hf_alice").create_repo("lab/pairs", repo_type="dataset")

The Hub's real clients work with it unchanged when HF_ENDPOINT is its address. It listens on 127.0.0.1 only and must not
be exposed to a network.
"""
