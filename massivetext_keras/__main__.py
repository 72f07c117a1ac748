"""`python -m massivetext_keras` is `massivetext`."""

from massivetext_keras.cli import main

if __name__ == "__main__":
    main()
