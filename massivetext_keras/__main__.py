"""`python -m massivetext_keras` is `massivetext`."""

from massivetext_keras.cli.program import main

if __name__ == "__main__":
    main()
