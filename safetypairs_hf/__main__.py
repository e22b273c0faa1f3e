from safetypairs_hf.cli import main

main()
